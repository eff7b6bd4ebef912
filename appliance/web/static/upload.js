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
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
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

function send(files, progress) {
  return new Promise((done, failed) => {
    const data = new FormData();
    data.set("csrf_token", form.elements.csrf_token.value);
    for (const file of files) data.append("files", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => (request.status === 200 && request.response ? done(request.response) : failed(new Error(String(request.status))));
    request.onerror = () => failed(new Error("network"));
    request.send(data);
  });
}

async function upload(files) {
  const whole = files.reduce((sum, file) => sum + file.size, 0) || 1;
  const sums = { stored: 0, known: 0, refused_count: 0 };
  const studies = new Set();
  let sent = 0;
  document.getElementById("progress").hidden = false;
  try {
    for (const batch of batches(files)) {
      const report = await send(batch, (loaded) => { bar.value = Math.min(1, (sent + loaded) / whole); });
      sent += batch.reduce((sum, file) => sum + file.size, 0);
      for (const key of Object.keys(sums)) sums[key] += report[key];
      for (const uid of report.studies) studies.add(uid);
      bar.value = sent / whole;
      told.textContent = `${sums.stored} ${form.dataset.stored}, ${sums.known} ${form.dataset.known}, ${sums.refused_count} ${form.dataset.refused}`;
    }
    for (const uid of studies) {
      const link = document.createElement("a");
      link.href = form.dataset.study.replace("UID", encodeURIComponent(uid));
      link.textContent = form.dataset.look;
      told.append(" · ", link);
    }
  } catch (error) {
    told.textContent = form.dataset.failed;
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
