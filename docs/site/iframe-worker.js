// Search from a folder: browsers refuse Web Workers to pages opened as files. There, a hidden frame runs the worker's
// script instead, in the page's own thread. Elsewhere nothing changes. (The theme looks for "iframe-worker" by name.)
if (window.location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.url = new URL(url, document.baseURI).href;
      this.onmessage = null;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.appendChild(this.frame);
      this.ready = this.start();
    }

    async start() {
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.hear(data);
      // Scripts load one after another, as they would within a worker.
      inside.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => this.load(url)), Promise.resolve());
      await this.load(this.url);
    }

    load(url) {
      return new Promise((done, failed) => {
        const script = this.frame.contentDocument.createElement("script");
        script.src = new URL(url, this.url).href;
        script.onload = done;
        script.onerror = () => failed(new Error(`cannot load ${script.src}`));
        this.frame.contentDocument.body.appendChild(script);
      });
    }

    hear(data) {
      const event = new MessageEvent("message", { data });
      if (this.onmessage) this.onmessage(event);
      this.dispatchEvent(event);
    }

    postMessage(data) {
      this.ready.then(() => {
        const inside = this.frame.contentWindow;
        inside.dispatchEvent(new inside.MessageEvent("message", { data }));
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
}
