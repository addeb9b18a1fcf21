"use strict";
const search = document.getElementById("search");
const found = document.getElementById("found");
const sections = [...document.querySelectorAll("section")].map((section) => ({
  section,
  rows: [...section.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]),
}));
search.closest("p").hidden = false;
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { section, rows } of sections) {
    let here = 0;
    for (const [row, text] of rows) {
      const fits = words.every((word) => text.includes(word));
      row.classList.toggle("unfound", !fits);
      here += fits;
    }
    section.classList.toggle("unfound", here === 0);
    count += here;
  }
  found.textContent = words.length === 0 ? "" : `${count} endpoints`;
});
