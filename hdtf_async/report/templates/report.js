"use strict";
const FIRST = 60, MORE = 120;
const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const pictures = JSON.parse(at("pictures").textContent);
const form = at("filter"), grid = at("grid"), more = at("more"), player = at("player");
const video = player.querySelector("video");

function clipOf(row, place) {
  const columns = row.length === data.clip.length ? data.clip : data.missing;
  const clip = { place, reason: "", label: "", split: "", seconds: -1 };
  for (let column = 0; column < columns.length; column++) clip[columns[column]] = row[column];
  if (clip.reason) clip.label = data.labels[clip.reason];
  return clip;
}
const all = data.rows.map(clipOf);
// Joined when first searched for.
const textOf = (clip) => (clip.text ??= `${clip.stem} ${clip.speaker} ${clip.split} ${clip.reason} ${clip.label}`.toLowerCase());

const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
const byName = (one, other) => one.place - other.place;
const orders = {
  sample: (one, other) => !one.picture - !other.picture || byName(one, other),
  name: byName,
  speaker: (one, other) => compare(one.speaker, other.speaker) || byName(one, other),
  reason: (one, other) => !one.reason - !other.reason || compare(one.label, other.label) || byName(one, other),
  longest: (one, other) => other.seconds - one.seconds || byName(one, other),
  shortest: (one, other) => (one.seconds < 0) - (other.seconds < 0) || one.seconds - other.seconds || byName(one, other),
};
const fits = {
  text: (wanted, clip) => wanted.toLowerCase().split(/\s+/).every((word) => textOf(clip).includes(word)),
  speaker: (wanted, clip) => clip.speaker.toLowerCase().includes(wanted.toLowerCase()),
  subset: (wanted, clip) => clip.subset === wanted,
  split: (wanted, clip) => clip.split === wanted,
  outcome: (wanted, clip) => (wanted === "done" ? !clip.reason : wanted === "missing" ? clip.reason : clip.reason === wanted),
  least: (wanted, clip) => clip.seconds >= 0 && clip.seconds >= Number(wanted),
  most: (wanted, clip) => clip.seconds >= 0 && clip.seconds <= Number(wanted),
};
let shown = [], drawn = 0, current = -1;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
function size(bytes) {
  const place = Math.min(4, Math.max(0, Math.floor(Math.log10(bytes || 1) / 3)));
  return `${Number((bytes / 1000 ** place).toPrecision(3))} ${["B", "kB", "MB", "GB", "TB"][place]}`;
}
const count = (number) => number.toLocaleString("en-US");
const fileOf = (clip) => clip.file || `${clip.stem}.mp4`;
const breakable = (name) => name.split("_").flatMap((part, place) => (place ? ["_", element("wbr"), part] : [part]));

// A clip without an image shows its own first frames, once it is on the screen.
const preview = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    preview.unobserve(target);
    const film = element("video", { muted: true, preload: "metadata", src: `${target.dataset.file}#t=0.1`, tabIndex: -1 });
    film.addEventListener("loadeddata", () => target.replaceChildren(film), { once: true });
  }
}, { rootMargin: "200px" });

function shot(clip) {
  const frame = element("span", { className: "shot" });
  const picture = clip.picture && pictures[clip.picture];
  if (picture) frame.append(element("img", { src: `data:image/jpeg;base64,${picture}`, alt: "", decoding: "async" }));
  else {
    frame.append("no image");
    frame.dataset.file = fileOf(clip);
    preview.observe(frame);
  }
  return frame;
}
function tile(clip, place) {
  const button = element("button", { type: "button", title: clip.stem });
  const name = element("b", {}, ...breakable(clip.stem));
  const small = element("small");
  if (clip.reason) {
    button.append(element("span", { className: `shot missing ${clip.reason}` }, clip.label), name);
    small.append("missing");
    button.setAttribute("aria-label", `${clip.stem}, missing: ${clip.label}. Details`);
  } else {
    button.append(shot(clip), name);
    small.append(`${clip.seconds.toFixed(1)} s, ${clip.width}\u00d7${clip.height}, ${clip.fps} fps`);
    button.setAttribute("aria-label", `Play ${clip.stem}, ${clip.seconds.toFixed(1)} seconds`);
  }
  if (clip.split) small.append(" ", element("span", { className: "split" }, clip.split));
  button.addEventListener("click", () => open(place));
  const item = element("li", {}, button, small);
  Object.assign(item.dataset, { stem: clip.stem, outcome: clip.reason || "done" });
  return item;
}
function draw(number) {
  const upto = Math.min(shown.length, drawn + number);
  grid.append(...shown.slice(drawn, upto).map((clip, place) => tile(clip, drawn + place)));
  drawn = upto;
  more.hidden = drawn === shown.length;
  more.textContent = `Show ${Math.min(MORE, shown.length - drawn)} more of ${count(shown.length - drawn)}`;
}
function filter() {
  const wanted = Object.entries(fits)
    .filter(([name]) => form.elements[name]?.value.trim())
    .map(([name, fit]) => [form.elements[name].value.trim(), fit]);
  shown = all.filter((clip) => wanted.every(([value, fit]) => fit(value, clip)));
  shown.sort(orders[form.elements.sort.value] || byName);
  preview.disconnect();
  grid.replaceChildren();
  drawn = 0;
  draw(FIRST);
  at("shown").textContent = `${count(shown.length)} of ${count(all.length)}`;
}

function fact(name, value) {
  if (value === "" || value === undefined) return [];
  return [element("div", { className: value.length > 30 ? "long" : "" }, element("dt", {}, name), element("dd", {}, value))];
}
function link(address, words) {
  return element("a", { href: address, rel: "noreferrer noopener" }, words);
}
function open(place) {
  const clip = shown[place];
  current = place;
  at("player-name").replaceChildren(...breakable(clip.stem));
  at("place").textContent = `${count(place + 1)} of ${count(shown.length)}`;
  at("previous").disabled = place === 0;
  at("next").disabled = place === shown.length - 1;
  at("trouble").hidden = true;
  video.pause();
  video.hidden = Boolean(clip.reason);
  const youtube = clip.id && `https://www.youtube.com/watch?v=${clip.id}`;
  const facts = [...fact("speaker", clip.speaker), ...fact("subset", clip.subset), ...fact("split", clip.split)];
  if (clip.reason) {
    video.removeAttribute("src");
    video.load();
    facts.push(...fact("missing", `${clip.label} (${clip.reason})`));
    if (clip.message >= 0) facts.push(...fact("message", data.messages[clip.message]));
    if (youtube) facts.push(...fact("source", link(youtube, clip.id)));
    facts.push(...fact("record", link("failures.jsonl", "failures.jsonl")));
  } else {
    const picture = clip.picture && pictures[clip.picture];
    video.poster = picture ? `data:image/jpeg;base64,${picture}` : "";
    video.src = fileOf(clip);
    video.setAttribute("aria-label", `Clip ${clip.stem}`);
    facts.push(
      ...fact("duration", `${clip.seconds} s`), ...fact("frame", `${clip.width}\u00d7${clip.height}, ${clip.fps} fps`),
      ...fact("size", size(clip.bytes)),
      ...fact("interval", clip.end ? `${clip.start} to ${clip.end} s` : ""),
    );
    if (youtube) facts.push(...fact("source", link(`${youtube}&t=${Math.floor(clip.start)}s`, clip.id)));
    facts.push(...fact("file", link(fileOf(clip), `${clip.stem}.mp4`)), ...fact("record", link("metadata.jsonl", "metadata.jsonl")));
  }
  at("facts").replaceChildren(...facts);
  if (!player.open) player.showModal();
  if (!clip.reason) video.play().catch(() => {});
}
video.addEventListener("error", () => {
  if (!video.hasAttribute("src")) return;
  at("trouble").textContent = "This clip cannot be played. Is it still beside report.html?";
  at("trouble").hidden = false;
});
function step(number) {
  const place = current + number;
  if (place >= 0 && place < shown.length) open(place);
}
at("previous").addEventListener("click", () => step(-1));
at("next").addEventListener("click", () => step(1));
at("close").addEventListener("click", () => player.close());
player.addEventListener("click", (event) => event.target === player && player.close());
player.addEventListener("keydown", (event) => {
  if (event.target === video || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
player.addEventListener("close", () => {
  video.pause();
  video.removeAttribute("src");
  video.load();
  while (drawn <= current) draw(MORE);
  grid.children[current]?.querySelector("button").focus();
});

async function copy(text, box) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(box);
    return document.execCommand("copy");
  }
}
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const box = at(button.dataset.copy);
    at("copied").textContent = (await copy(box.textContent, box)) ? "Copied." : "Selected: copy it with Ctrl-C.";
  });
}

more.addEventListener("click", () => {
  const place = drawn;
  draw(MORE);
  grid.children[place].querySelector("button").focus();
});
form.addEventListener("input", filter);
// A text field also changes when it loses the focus: that would redraw the tile that is being clicked.
form.addEventListener("change", ({ target }) => target.tagName === "SELECT" && filter());
form.addEventListener("submit", (event) => event.preventDefault());
if (all.some((clip) => clip.picture) && all.some((clip) => !clip.picture && !clip.reason)) {
  form.elements.sort.options[0].hidden = false;
  form.elements.sort.value = "sample";
} else form.elements.sort.value = "name";
form.hidden = !all.length;
filter();
