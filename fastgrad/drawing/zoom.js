// Zoom and pan of the SVG that has this script in it: the wheel and two fingers zoom, dragging moves, a double click
// shows the whole again. Among other things on a page the wheel zooms with Ctrl, or once the picture has been clicked;
// else it scrolls the page. All of it is done by the viewBox. There is no less-than sign and no ampersand in here, so
// that it's the same text in SVG and in HTML.
(function (svg) {
  var full = svg.getAttribute("viewBox").split(" ").map(Number), box = full.slice(), fingers = null;

  function show(left, top) {
    box[0] = Math.max(full[0], Math.min(left, full[0] + full[2] - box[2]));
    box[1] = Math.max(full[1], Math.min(top, full[1] + full[3] - box[3]));
    svg.setAttribute("viewBox", box.join(" "));
  }
  function zoom(x, y, factor) {
    var seen = svg.getBoundingClientRect(), right = (x - seen.left) / seen.width, down = (y - seen.top) / seen.height;
    var left = box[0] + right * box[2], top = box[1] + down * box[3];
    factor = Math.max(box[2] / full[2], Math.min(factor, 40 * box[2] / full[2]));
    box[2] /= factor;
    box[3] /= factor;
    show(left - right * box[2], top - down * box[3]);
  }
  function pan(x, y) {
    var seen = svg.getBoundingClientRect();
    show(box[0] - x * box[2] / seen.width, box[1] - y * box[3] / seen.height);
  }
  function held(touches) {
    var a = touches[0], b = touches[1];
    return {x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2,
            apart: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY))};
  }

  svg.addEventListener("wheel", function (event) {
    var alone = document.documentElement === svg || document.activeElement === svg;
    if (alone || event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(event.clientX, event.clientY, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)));
    }
  }, {passive: false});
  svg.addEventListener("touchstart", function (event) {
    fingers = event.touches.length === 2 ? held(event.touches) : null;
  }, {passive: true});
  svg.addEventListener("touchmove", function (event) {
    if (fingers) {
      var now = held(event.touches);
      event.preventDefault();
      zoom(now.x, now.y, now.apart / fingers.apart);
      pan(now.x - fingers.x, now.y - fingers.y);
      fingers = now;
    }
  }, {passive: false});
  svg.addEventListener("touchend", function () { fingers = null; });
  svg.addEventListener("mousemove", function (event) {
    if (event.buttons === 1) { pan(event.movementX, event.movementY); }
  });
  svg.addEventListener("mousedown", function (event) {
    if (full[2] > box[2]) {     // so that dragging selects no text
      event.preventDefault();
      svg.focus();
    }
  });
  svg.addEventListener("dblclick", function () {
    box = full.slice();
    show(box[0], box[1]);
  });
})(document.currentScript.closest("svg"));
