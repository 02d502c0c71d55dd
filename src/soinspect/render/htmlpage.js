"use strict";
// A finding is shown if its rule and itself together contain every word of the query; what holds none is hidden.
const box = document.querySelector(".search");
if (box) {
  const input = box.querySelector("input");
  const shown = box.querySelector("output");
  const folds = [...document.querySelectorAll("details")].map((fold) => ({ fold, open: fold.open }));
  const rules = [...document.querySelectorAll(".rule")].map((rule) => ({
    rule,
    title: rule.querySelector("summary").textContent.toLowerCase(),
    findings: [...rule.querySelectorAll(".findings > tbody")],
  }));
  const total = rules.reduce((sum, { findings }) => sum + findings.length, 0);
  box.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matches = 0;
    for (const { rule, title, findings } of rules) {
      let here = 0;
      for (const finding of findings) {
        const text = title + finding.textContent.toLowerCase();
        finding.hidden = !words.every((word) => text.includes(word));
        here += !finding.hidden;
      }
      rule.hidden = here === 0;
      matches += here;
    }
    for (const severity of document.querySelectorAll(".severity")) {
      severity.hidden = !severity.querySelector(".rule:not([hidden])");
    }
    for (const { fold, open } of folds) fold.open = words.length > 0 || open;
    shown.textContent = words.length ? `${matches} of ${total} findings` : "";
  });
}
