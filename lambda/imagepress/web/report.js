"use strict";

(() => {
  const UNITS = ["B", "kB", "MB", "GB", "TB"];
  const TICKS = [1, 2, 5];
  const CHART_HEIGHT = 260;
  const TICK_WIDTH = 56;

  const sizeText = (bytes) => {
    const power = Math.min(Math.max(0, Math.floor(Math.log10(bytes) / 3 + 1e-9)), UNITS.length - 1);
    return `${Number((bytes / 1000 ** power).toPrecision(3))} ${UNITS[power]}`;
  };

  const ticks = (low, high, most) => {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
      for (const digit of TICKS) all.push(digit * 10 ** power);
    }
    const within = all.filter((tick) => tick >= low && tick <= high);
    const decades = within.filter((tick) => Math.log10(tick) % 1 === 0);
    return within.length <= most || decades.length < 2 ? within : decades;
  };

  const drawHistogram = (place, readout, { edges, before, after }) => {
    const compact = new Intl.NumberFormat("en", { notation: "compact" });
    const x = edges.map((edge) => Math.max(edge, 1));
    const stepped = uPlot.paths.stepped({ align: 1 });
    const colour = (name) => () => getComputedStyle(place).getPropertyValue(name).trim();
    const series = (name) => ({
      stroke: colour(name),
      fill: () => `color-mix(in srgb, ${colour(name)()} 35%, transparent)`,
      width: 2,
      paths: stepped,
      points: { show: false },
    });
    const axis = { stroke: colour("--soft"), font: "12px system-ui, sans-serif", ticks: { show: false } };
    const resting = readout.textContent;
    const tell = (chart) => {
      const { idx, left } = chart.cursor;
      if (left < 0 || idx == null) {
        readout.textContent = resting;
        return;
      }
      const value = chart.posToVal(left, "x");
      const bin = Math.max(0, x.findLastIndex((edge, index) => edge <= value && index < before.length));
      const range = `${sizeText(x[bin])} to ${sizeText(x[bin + 1])}`;
      readout.textContent = `${range}: ${before[bin].toLocaleString("en")} before, ${after[bin].toLocaleString("en")} after`;
    };
    const closed = (counts) => [...counts, counts.at(-1)];
    const chart = new uPlot(
      {
        width: place.clientWidth,
        height: CHART_HEIGHT,
        legend: { show: false },
        padding: [8, 24, 0, 0],
        scales: {
          x: { time: false, distr: 3, range: () => [x[0], x.at(-1)] },
          y: { range: (_, low, high) => [0, Math.max(1, high * 1.05)] },
        },
        axes: [
          {
            ...axis,
            size: 32,
            grid: { show: false },
            splits: (self, _, low, high) => ticks(low, high, self.width / TICK_WIDTH),
            filter: (_, splits) => splits,
            values: (_, splits) => splits.map(sizeText),
          },
          {
            ...axis,
            size: 48,
            values: (_, splits) => splits.map(compact.format),
            grid: { stroke: colour("--line"), width: 1 },
            incrs: [1, 2, 5].flatMap((digit) => Array.from({ length: 12 }, (_, power) => digit * 10 ** power)).sort((a, b) => a - b),
          },
        ],
        series: [{}, series("--before"), series("--accent")],
        cursor: { y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
        hooks: { setCursor: [tell] },
      },
      [x, closed(before), closed(after)],
      place,
    );
    const fit = () => chart.setSize({ width: place.clientWidth, height: CHART_HEIGHT });
    new ResizeObserver(fit).observe(place);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(query).addEventListener("change", fit);
    }
  };

  const slide = (input) => {
    const move = () => input.parentElement.style.setProperty("--cut", `${input.value}%`);
    input.addEventListener("input", move);
    move();
  };

  const offerCopy = (button) => {
    const code = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        // No clipboard here: the text is selected, and the keyboard copies it.
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
  };

  document.querySelectorAll(".stage input").forEach(slide);
  document.querySelectorAll(".copy").forEach(offerCopy);
  const data = document.getElementById("chart-data");
  if (data && typeof uPlot === "function") {
    const place = document.getElementById("chart");
    drawHistogram(place, document.querySelector(".readout"), JSON.parse(data.textContent));
  } else if (data) {
    document.querySelector(".chart").hidden = true;
    document.querySelector("details").open = true;
  }
})();
