/* The search of a site that's opened from a folder. Browsers start no worker from a file, so there a frame takes its
 * place: it runs the worker's script in a window of its own, and messages go to and fro as events. */
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      this.inside.postMessage = data => {
        const event = new MessageEvent("message", { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      const load = address => new Promise((done, failed) => {
        const script = frame.contentDocument.createElement("script")
        script.src = address
        script.onload = done
        script.onerror = failed
        frame.contentDocument.body.append(script)
      })
      this.inside.importScripts = (...addresses) =>
        addresses.reduce((before, address) => before.then(() => load(address)), Promise.resolve())
      this.loaded = load(url)
    }
    postMessage(data) {
      this.loaded.then(() => {
        const event = new this.inside.MessageEvent("message", { data })
        this.inside.dispatchEvent(event)
      })
    }
    terminate() {}
  }
