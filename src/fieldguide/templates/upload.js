// The plain page of a guide: sends a picture, shows the answer. Text from outside is only ever set as text.
"use strict";
const at = (id) => document.getElementById(id);
let about = { classes: [] };
const ready = fetch("/v1/guide").then((reply) => reply.json()).then((found) => { about = found; });

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
  const one = about.classes.find((each) => each.name === name) || { about: "", links: [], examples: [] };
  at("links").replaceChildren(...one.links.filter((link) => link.startsWith("https://")).map((link) => {
    const anchor = element("a", link);
    anchor.href = link;
    anchor.rel = "noopener noreferrer";
    const item = element("li");
    item.append(anchor);
    return item;
  }));
  at("gallery").replaceChildren(...one.examples.map((example) => {
    const figure = element("figure");
    const image = element("img");
    image.src = "/" + example.file;
    image.alt = "example of " + name;
    figure.append(image, element("figcaption", [example.author, example.licence, example.source].filter(Boolean).join(", ")));
    return figure;
  }));
  at("examples").hidden = one.examples.length === 0;
  return one.about;
}

async function classify(file) {
  at("problem").hidden = true;
  at("drop").firstElementChild.textContent = "Looking…";
  try {
    await ready;
    const form = new FormData();
    form.append("file", file);
    const reply = await fetch("/v1/classify", { method: "POST", body: form });
    const found = await reply.json();
    if (!reply.ok) throw new Error(found.detail);
    URL.revokeObjectURL(at("preview").src);
    at("preview").src = URL.createObjectURL(file);
    at("answer").textContent = found.declined ? "None of these" : found.class_name;
    const said = found.declined ? "" : showAbout(found.class_name);
    if (found.declined) at("links").replaceChildren(), at("examples").hidden = true;
    at("said").textContent = found.declined ? "It is unlike everything this guide knows. Nearest:" : said;
    showBars(found.probs);
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
