// The card reads in full without this. It adds a slider over the decision curve, a choice of
// subgroups and sorting.
(function () {
  "use strict";
  document.querySelectorAll(".slider").forEach(function (box) {
    var data = JSON.parse(box.querySelector("script").textContent);
    var input = box.querySelector("input"), said = box.querySelector("output");
    var cursor = document.getElementById("cursor-" + box.dataset.plot);
    function text(value, digits) { return value.toFixed(digits).replace("-", "−"); }
    function show() {
      var k = Number(input.value), at = data.thresholds[k], percent = Math.round(100 * at) + "%";
      said.textContent = percent;
      input.setAttribute("aria-valuetext", "threshold " + percent);
      box.querySelectorAll("[data-curve]").forEach(function (cell) {
        cell.textContent = text(100 * data.curves[cell.dataset.curve][k], 1);
      });
      box.querySelectorAll("[data-alert]").forEach(function (cell) {
        var band = data.alerts[cell.dataset.alert], digits = Number(cell.dataset.digits);
        if (band.estimate[k] === null) cell.textContent = "not shown";
        else cell.textContent = text(band.estimate[k], digits) + (band.low[k] === null ? "" :
          " (" + text(band.low[k], digits) + " to " + text(band.high[k], digits) + ")");
      });
      if (cursor) {
        var left = Number(box.dataset.left), right = Number(box.dataset.right);
        var x = left + (right - left) * at / data.thresholds[data.thresholds.length - 1];
        cursor.setAttribute("points", x + ",12 " + x + ",330");
      }
    }
    input.addEventListener("input", show);
    box.hidden = false;
    show();
  });
  document.querySelectorAll(".chooser").forEach(function (box) {
    var choice = box.querySelector("select");
    function show() {
      var row = document.querySelector('tr[data-group="' + choice.value + '"]');
      box.querySelectorAll("[data-chosen]").forEach(function (cell) {
        var key = cell.dataset.chosen, found = row && row.querySelector('[data-key="' + key + '"]');
        if (key === "name") cell.textContent = row ? choice.selectedOptions[0].textContent : "";
        else cell.innerHTML = found ? found.innerHTML : "";
      });
      document.querySelectorAll(".p-row").forEach(function (mark) {
        mark.classList.toggle("p-chosen", choice.value !== "" && mark.id.endsWith("-" + choice.value));
      });
    }
    choice.addEventListener("change", show);
    box.hidden = false;
    show();
  });
  // A link to a folded table opens it.
  function unfold() {
    var target = document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  }
  addEventListener("hashchange", unfold);
  unfold();
  // A table that does not scroll need not hold up those who go by keyboard.
  function stops() {
    document.querySelectorAll(".scroll").forEach(function (box) {
      if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    });
  }
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  stops();
  document.querySelectorAll("table[data-sortable]").forEach(function (table) {
    var body = table.tBodies[0];
    table.querySelectorAll("thead th[data-sort]").forEach(function (head) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending", column = head.cellIndex;
        table.querySelectorAll("th[aria-sort]").forEach(function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        Array.from(body.rows).sort(function (one, other) {
          var a = one.cells[column].dataset.value, b = other.cells[column].dataset.value;
          var order = head.dataset.sort === "number" ? Number(a) - Number(b) : a.localeCompare(b);
          return up ? order : -order;
        }).forEach(function (row) { body.appendChild(row); });
      });
    });
  });
})();
