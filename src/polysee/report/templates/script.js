
  const checked = (name) => one(`input[name="${name}"]:checked`)?.value ?? "";

  const heat = one("#heat");
  if (heat) {
    const show = () => {
      let found = false;
      for (const panel of all(".panel", heat)) {
        panel.hidden = panel.dataset.split !== checked("split") || panel.dataset.model !== checked("model");
        found ||= !panel.hidden;
      }
      one("#heat .none-here").hidden = found;
    };
    one("#heat .pickers").hidden = false;
    one("#heat .pickers").addEventListener("change", show);
    show();
  }

  const pickers = one("#gallery-pickers");
  if (pickers) {
    const show = () => {
      const language = one("#gallery-language").value, verdict = checked("verdict");
      const cards = all("article.answer");
      for (const card of cards) {
        card.hidden = (language && card.dataset.language !== language) || (verdict && card.dataset.verdict !== verdict);
      }
      one("#gallery-count").textContent = `${cards.filter((card) => !card.hidden).length} shown`;
    };
    pickers.hidden = false;
    pickers.addEventListener("change", show);
    show();
  }

  const mark = (tag, on) => {
    for (const line of all("#training path[data-language]")) line.classList.toggle("lit", on && line.dataset.language === tag);
    one("#training").classList.toggle("pointing", on);
  };
  for (const card of all("#training .small-card")) {
    for (const [name, on] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]]) {
      card.addEventListener(name, () => mark(card.dataset.language, on));
    }
  }
})();
