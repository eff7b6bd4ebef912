// Small comforts; every page works without them.
"use strict";

// A page nobody looks at asks for nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.matches("[data-live]")) event.preventDefault();
});

// A choice that is a form of its own needs no button.
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.form.classList.add("by-choice");
  select.addEventListener("change", () => select.form.submit());
}

// Take the reader to the first field with a complaint.
document.querySelector("[aria-invalid=true]")?.focus();
