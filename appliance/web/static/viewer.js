// A look at a series: arrow keys and the wheel scroll, dragging sets the window. Without script the form does it.
"use strict";
const viewer = document.getElementById("viewer");
const picture = document.getElementById("picture");
const places = [...document.querySelectorAll("#places li")];
const slider = document.getElementById("image");
const center = document.getElementById("center");
const width = document.getElementById("width");
const told = document.getElementById("image-now");
// The fields hold the image's own window; it is asked for only when somebody changed it.
let set = "set" in viewer.dataset;
const own = center ? [center.value, width.value] : ["", ""];
let number = Number(viewer.dataset.number);
let busy = false;
let again = false;

function address(at) {
  const place = places[at - 1].dataset;
  const path = viewer.dataset.picture.replace("UID", encodeURIComponent(place.uid)).replace("/0.jpg", `/${place.frame}.jpg`);
  const edge = Math.min(2048, Math.ceil(Math.max(viewer.clientWidth, viewer.clientHeight) * devicePixelRatio / 256) * 256);
  const wanted = new URLSearchParams({ edge });
  if (set && center.value !== "" && Number(width.value) > 0) {
    wanted.set("center", center.value);
    wanted.set("width", width.value);
  }
  return `${path}?${wanted}`;
}

// One picture on its way at a time: the latest wish wins.
function show() {
  slider.value = number;
  told.textContent = number;
  if (busy) { again = true; return; }
  busy = true;
  const next = new Image();
  next.onload = next.onerror = () => {
    picture.src = next.src;
    busy = false;
    if (again) { again = false; show(); }
  };
  next.src = address(number);
}

function go(to) {
  const wanted = Math.min(places.length, Math.max(1, to));
  if (wanted !== number) { number = wanted; show(); }
}

viewer.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
  if (step) go(number + step);
  else if (event.key === "Home") go(1);
  else if (event.key === "End") go(places.length);
  else return;
  event.preventDefault();
});
viewer.addEventListener("wheel", (event) => { go(number + Math.sign(event.deltaY)); event.preventDefault(); }, { passive: false });
slider.addEventListener("input", () => go(Number(slider.value)));
function setWindow(to) {
  if (!center) return;
  set = to !== null;
  [center.value, width.value] = to ?? own;
  show();
}
for (const field of center ? [center, width] : []) field.addEventListener("change", () => { set = true; show(); });
for (const link of document.querySelectorAll("[data-window]")) {
  link.addEventListener("click", (event) => {
    setWindow("center" in link.dataset ? [link.dataset.center, link.dataset.width] : null);
    event.preventDefault();
  });
}

let grip = null;
viewer.addEventListener("pointerdown", (event) => {
  if (!center) return;
  grip = { x: event.clientX, y: event.clientY, center: Number(center.value), width: Number(width.value) || 1 };
  viewer.setPointerCapture(event.pointerId);
  viewer.focus();
});
viewer.addEventListener("pointermove", (event) => {
  if (!grip) return;
  const scale = grip.width / 300;
  const rounded = (value) => (scale < 0.1 ? value.toFixed(3) : String(Math.round(value)));
  const wider = Math.max(scale < 0.1 ? 0.001 : 1, grip.width + (event.clientX - grip.x) * scale);
  setWindow([rounded(grip.center + (event.clientY - grip.y) * scale), rounded(wider)]);
});
viewer.addEventListener("pointerup", () => { grip = null; });
picture.addEventListener("dragstart", (event) => event.preventDefault());
