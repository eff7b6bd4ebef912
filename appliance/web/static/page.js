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

// What was ticked, chosen or opened stays so when a live part is made anew.
let kept = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  kept = [...event.detail.target.querySelectorAll("input:checked[id], select[id], details[open] > summary")].map((one) =>
    one.matches("summary") ? { at: [...document.querySelectorAll("summary")].indexOf(one) } : { id: one.id, value: one.value });
});
document.addEventListener("htmx:afterSettle", () => {
  const summaries = document.querySelectorAll("summary");
  for (const { at, id, value } of kept) {
    const one = id ? document.getElementById(id) : summaries[at];
    if (!one) continue;
    if (one.type === "checkbox") one.checked = true;
    else if (one.matches("select")) one.value = value;
    else if (one.matches("summary")) one.parentElement.open = true;
  }
  kept = [];
});
