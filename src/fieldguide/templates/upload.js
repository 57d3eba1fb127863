// The plain page of a guide: sends a picture, shows the answer. Text from outside is only ever set as text.
"use strict";
const at = (id) => document.getElementById(id);
// below the page's own address, but without a password that it may hold: fetch refuses that
const address = (path) => new URL(path, location.origin + location.pathname);
let about = { classes: [] };
const ready = fetch(address("v1/guide")).then((reply) => reply.json()).then((guide) => { about = guide; });

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showBars(probs) {
  at("bars").replaceChildren(...probs.slice(0, 5).map(({ class_name, prob }) => {
    const bar = element("div", undefined, "bar");
    const meter = element("meter");
    meter.value = prob;
    meter.setAttribute("aria-label", class_name);
    bar.append(element("span", class_name), meter, element("span", (prob * 100).toFixed(1) + " %", "num"));
    return bar;
  }));
}

function showAbout(name) {
  const row = about.classes.find((each) => each.name === name) || { about: "", links: [], examples: [] };
  const links = row.links.map((link) => (typeof link === "string" ? { label: link, url: link } : link));
  at("links").replaceChildren(...links.filter((link) => link.url.startsWith("https://")).map((link) => {
    const anchor = element("a", link.label);
    anchor.href = link.url;
    anchor.title = link.url;
    anchor.rel = "noopener noreferrer";
    const item = element("li");
    item.append(anchor);
    return item;
  }));
  at("gallery").replaceChildren(...row.examples.map((example) => {
    const figure = element("figure");
    const image = element("img");
    image.src = example.file;
    image.alt = "example of " + name;
    figure.append(image, element("figcaption", [example.author, example.licence, example.source].filter(Boolean).join(", ")));
    return figure;
  }));
  at("examples").hidden = row.examples.length === 0;
  return row.about;
}

async function classify(file) {
  at("problem").hidden = true;
  at("drop").firstElementChild.textContent = "Classifying…";
  try {
    await ready;
    const form = new FormData();
    form.append("file", file);
    const reply = await fetch(address("v1/classify"), { method: "POST", body: form });
    const answer = await reply.json();
    if (!reply.ok) throw new Error(answer.detail);
    URL.revokeObjectURL(at("preview").src);
    at("preview").src = URL.createObjectURL(file);
    at("answer").textContent = answer.declined ? "None of these" : answer.class_name;
    const text = answer.declined ? "" : showAbout(answer.class_name);
    if (answer.declined) at("links").replaceChildren(), at("examples").hidden = true;
    at("about").textContent = answer.declined ? "This picture is unlike everything the guide knows. The nearest classes:" : text;
    showBars(answer.probs);
    at("result").hidden = false;
  } catch (error) {
    at("problem").textContent = error.message;
    at("problem").hidden = false;
    at("result").hidden = true;
    at("examples").hidden = true;
  }
  at("drop").firstElementChild.textContent = "Choose a picture";
}

at("form").addEventListener("submit", (event) => event.preventDefault());
at("file").addEventListener("change", () => { if (at("file").files[0]) classify(at("file").files[0]); });
for (const kind of ["dragover", "dragleave", "drop"]) {
  at("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) classify(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => { if (event.clipboardData.files[0]) classify(event.clipboardData.files[0]); });
