// Import by drag and drop, with progress. Without script the form sends the files in one go.
"use strict";
const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const bar = document.getElementById("bar");
const told = document.getElementById("told");
const BATCH_FILES = 100;
const BATCH_BYTES = 32 << 20;
for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;

async function within(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [Object.assign(file, { path: entry.fullPath })];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const each of some) found.push(...await within(each));
  }
}

function batches(files) {
  const made = [];
  let bytes = Infinity;
  for (const file of files) {
    if (bytes + file.size > BATCH_BYTES || made.at(-1).length >= BATCH_FILES) { made.push([]); bytes = 0; }
    made.at(-1).push(file);
    bytes += file.size;
  }
  return made;
}

function send(files, number, more, progress) {
  return new Promise((done, failed) => {
    const data = new FormData();
    data.set("csrf_token", form.elements.csrf_token.value);
    if (number) data.set("import", number);
    if (more) data.set("more", "1");
    // with its folders: what a DICOMDIR among them names is looked for there
    for (const file of files) data.append("files", file, file.path || file.webkitRelativePath || file.name);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => (request.status === 202 && request.response ? done(request.response) : failed(new Error(request.response?.detail ?? "")));
    request.onerror = () => failed(new Error(""));
    request.send(data);
  });
}
// All batches make one import; its own page shows the rest.
async function upload(files) {
  const whole = files.reduce((sum, file) => sum + file.size, 0) || 1;
  const parts = batches(files);
  let sent = 0;
  let made = null;
  document.getElementById("progress").hidden = false;
  try {
    for (const [at, batch] of parts.entries()) {
      made = await send(batch, made?.import_id, at < parts.length - 1, (loaded) => { bar.value = Math.min(1, (sent + loaded) / whole); });
      sent += batch.reduce((sum, file) => sum + file.size, 0);
      bar.value = sent / whole;
      told.textContent = `${Math.round(100 * sent / whole)} % ${form.dataset.sent}`;
    }
    location.assign(made.url);
  } catch (error) {
    told.textContent = error.message || form.dataset.failed;
  }
}
form.addEventListener("submit", (event) => {
  const files = [...document.getElementById("files").files, ...document.getElementById("folder").files];
  if (!files.length) return;
  event.preventDefault();
  upload(files);
});
drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = [];
  for (const entry of entries) files.push(...await within(entry));
  if (files.length) upload(files);
});
