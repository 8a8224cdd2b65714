"use strict";
// The frame: which table, which view, the query, what is running; and looking again while a server stands behind the page.
(() => {
  const {el, button} = audioml;
  const EVERY = 2000; // ms between two looks
  const EXAMPLES = ["latency<=10ms rtf<1 best quality", "streaming~online best quality", "badge~beats least macs"];
  let drawn = 0,
    wide = 0;

  const theme = (name) => {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    audioml.keep("theme", name);
  };
  const say = () => {
    const section = audioml.section(),
      box = document.querySelector("#query");
    const asked = audioml.ask(section, audioml.state.query);
    const out = document.querySelector("#answer");
    const found = asked.error || !asked.empty ? audioml.leader(section) : {text: ""};
    out.textContent = found.text && found.count ? `${found.text} ${found.count}` : found.text;
    out.className = asked.error ? "bad" : "";
    box.setAttribute("aria-invalid", asked.error ? "true" : "false");
  };
  const queryBox = (section) => {
    let timer = 0;
    const ask = (text) => {
      audioml.note({query: text});
      say();
      view();
    };
    const input = el("input", {
      id: "query",
      type: "search",
      value: audioml.state.query,
      autocomplete: "off",
      spellcheck: false,
      "aria-describedby": "answer",
      placeholder: EXAMPLES[0],
      oninput: (event) => {
        clearTimeout(timer);
        timer = setTimeout(() => ask(event.target.value), 250);
      },
      onchange: (event) => {
        clearTimeout(timer);
        ask(event.target.value);
      },
    });
    const put = (text) => {
      input.value = text;
      ask(text);
    };
    const keys = section.columns.map((column) => column.key).join(", ");
    return el(
      "div",
      {className: "query"},
      el("label", {for: "query"}, "Query"),
      input,
      el(
        "details",
        {className: "fold"},
        el("summary", {}, "How to ask"),
        el(
          "p",
          {},
          "Conditions NAME<=VALUE (also >=, <, >, =, !=, ~ contains), words that must occur, and one wish: best NAME, least NAME or most NAME. All conditions must hold; a run in which one was not measured does not fit.",
        ),
        el("p", {}, `Names here: ${keys}, badge; also quality, params, compute.`),
        el(
          "p",
          {className: "chips"},
          EXAMPLES.map((text) => button(text, () => put(text))),
        ),
      ),
    );
  };
  const bar = () => {
    const {sections} = audioml.index,
      section = audioml.section();
    const tables = audioml.choice(
      "Table",
      sections.map((s) => [
        s.key,
        `${s.title}${sections.filter((o) => o.title === s.title).length > 1 ? ` (${s.about})` : ""} · ${s.rows.length}`,
      ]),
      section.key,
      (key) => audioml.go({section: key, chosen: null}),
    );
    document.querySelector("#look").replaceChildren(
      audioml.choice(
        "Colours",
        [
          ["", "system"],
          ["light", "light"],
          ["dark", "dark"],
        ],
        audioml.kept("theme", ""),
        theme,
      ),
    );
    const tabs = Object.entries(audioml.parts).map(([key, part]) =>
      el(
        "li",
        {},
        el(
          "a",
          {
            href: `#t=${key}`,
            "data-tab": key,
            "aria-current": key === audioml.state.tab ? "page" : null,
            onclick: (event) => {
              event.preventDefault();
              audioml.go({tab: key});
              document.querySelector(`[data-tab="${key}"]`)?.focus();
            },
          },
          part.title,
        ),
      ),
    );
    document
      .querySelector("#bar")
      .replaceChildren(
        el("div", {className: "row top"}, tables, queryBox(section)),
        el("p", {className: "quiet about"}, section.about),
        el("p", {id: "answer", role: "status"}),
        el("nav", {"aria-label": "Views"}, el("ul", {className: "tabs"}, tabs)),
      );
    say();
  };
  const empty = () => {
    document.querySelector("#bar").replaceChildren();
    document
      .querySelector("#main")
      .replaceChildren(el("p", {}, "No run is finished yet. ", audioml.version ? "This page shows them as they come." : ""));
  };
  const view = () => {
    const host = document.querySelector("#main"),
      mine = (drawn += 1),
      part = audioml.parts[audioml.state.tab];
    audioml.leave?.();
    audioml.leave = null;
    host.style.minHeight = `${host.offsetHeight}px`; // no jump while it is drawn
    host.replaceChildren();
    Promise.resolve()
      .then(() => mine === drawn && part.draw(host, audioml.section(), () => mine !== drawn))
      .catch((error) => host.append(el("p", {className: "bad"}, error.message)))
      .finally(() => {
        host.style.minHeight = "";
        document.body.dataset.drawn = audioml.state.tab;
        performance.mark("drawn");
      });
  };
  audioml.show = () => {
    delete document.body.dataset.drawn;
    if (!audioml.index.sections.length) return empty();
    audioml.state.section = audioml.section().key;
    bar();
    return view();
  };

  // ---- runs in progress ----
  const progress = () => {
    const host = document.querySelector("#live"),
      runs = audioml.live.runs;
    const item = (run) =>
      el(
        "li",
        {},
        el("span", {}, `${run.task ? `${run.task}: ` : ""}${run.name}`),
        run.steps
          ? el("progress", {max: run.steps, value: Math.min(run.step, run.steps), "aria-label": `Steps of ${run.name}`})
          : null,
        el("span", {className: "quiet"}, `step ${run.step}${run.steps ? ` of ${run.steps}` : ""}`),
      );
    const fold = (key, title, items, otherwise) => {
      // as open as it was
      if (!items.length) return [];
      const open = host.querySelector(`[data-key="${key}"]`)?.open ?? otherwise;
      return [
        el(
          "details",
          {className: "fold", open, "data-key": key},
          el("summary", {}, `${items.length} ${title}`),
          el("ul", {className: "runs"}, items),
        ),
      ];
    };
    const of = (state) =>
      runs
        .filter((run) => run.state === state)
        .slice(0, 100)
        .map(item);
    host.replaceChildren(
      ...fold("running", "running", of("running"), true),
      ...fold("stopped", "stopped without a record", of("stopped"), false),
      ...fold(
        "notes",
        "remark(s)",
        audioml.index.notes.map((note) => el("li", {}, note)),
        false,
      ),
    );
  };

  // ---- data, now and again ----
  const fetchAll = async () => {
    const [index, live, votes] = await Promise.all(["data/index", "data/live", "data/votes"].map(audioml.load));
    Object.assign(audioml, {index, live});
    audioml.version ||= index.version;
    audioml.takeVotes(votes);
  };
  const look = async () => {
    try {
      const {version} = await (await fetch("api/version", {cache: "no-store"})).json();
      document.body.classList.remove("alone");
      if (version === audioml.version) return;
      const [records, live, votes] = version.split("-").map((part, i) => part !== audioml.version.split("-")[i]);
      audioml.version = version;
      audioml.forget((name) => records || (live && name === "data/live") || (votes && name === "data/votes"));
      await fetchAll();
      progress();
      const {tab} = audioml.state,
        seen = records || (live && tab === "curves") || (votes && tab === "table");
      const busy = audioml.parts[tab].busy?.() || document.activeElement?.id === "query" || document.querySelector("dialog[open]");
      if (seen && !busy) {
        const at = scrollY;
        audioml.show();
        scrollTo(0, at);
      }
    } catch {
      document.body.classList.add("alone");
    } // the server has gone: what is here stays
  };
  const watch = async () => {
    await look();
    setTimeout(watch, document.body.classList.contains("alone") ? 10 * EVERY : EVERY);
  };
  const begin = async () => {
    theme(audioml.kept("theme", ""));
    try {
      await fetchAll();
    } catch (error) {
      document
        .querySelector("#main")
        .replaceChildren(el("p", {className: "bad"}, `The page's data cannot be read: ${error.message}.`));
      return;
    }
    audioml.read();
    progress();
    audioml.show();
    if (audioml.version) setTimeout(watch, EVERY);
    addEventListener("hashchange", () => {
      audioml.read();
      audioml.show();
    });
    wide = innerWidth;
    addEventListener("resize", () => {
      if (Math.abs(innerWidth - wide) > 40 && ["pareto", "curves"].includes(audioml.state.tab)) {
        wide = innerWidth;
        view();
      }
    });
  };
  begin();
})();
