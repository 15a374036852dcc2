"use strict";
const form = document.getElementById("filter");
const tiles = [...document.querySelectorAll(".grid li")];
const shown = document.getElementById("shown");
const fits = {
  subset: (wanted, tile) => tile.subset === wanted,
  speaker: (wanted, tile) => tile.speaker.toLowerCase().includes(wanted.toLowerCase()),
  outcome: (wanted, tile) => (wanted === "missing" ? tile.outcome !== "done" : tile.outcome === wanted),
};
function filter() {
  const wanted = Object.entries(fits).map(([name, fit]) => [form.elements[name].value.trim(), fit]);
  let number = 0;
  for (const tile of tiles) {
    tile.hidden = !wanted.every(([value, fit]) => !value || fit(value, tile.dataset));
    number += !tile.hidden;
  }
  shown.textContent = `${number} of ${tiles.length}`;
}
for (const kind of ["input", "change"]) form.addEventListener(kind, filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
filter();
