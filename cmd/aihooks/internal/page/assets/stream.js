// The stream of events: each says that something has changed, and the page asks what. The browser connects again by itself
// after an error, but it does not notice when nothing comes any more, and it gives up after an answer that is no stream.

const silence = 25000; // the server says something every 10 s
const pause = 2000;

/** stream calls changed at every change and after every connection, and state with "live" or "lost". */
export const stream = (changed, state) => {
  let version = null;
  let source = null;
  let refused = false;
  let watchdog = 0;

  const connect = () => {
    source = new EventSource('api/events');
    const heard = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(again, silence);
    };
    source.addEventListener('hello', (event) => {
      if (version !== null && version !== event.data) {
        location.reload(); // the program behind the page is another one
        return;
      }
      version = event.data;
      refused = false;
      heard();
      state('live');
      changed();
    });
    source.addEventListener('change', () => {
      heard();
      changed();
    });
    source.addEventListener('pulse', heard);
    source.addEventListener('error', () => {
      state('lost');
      if (source.readyState === EventSource.CLOSED) {
        if (!refused) changed(); // which says why, for instance that the program has been started again and has another token
        refused = true;
        clearTimeout(watchdog);
        watchdog = setTimeout(again, pause);
      }
    });
    heard();
  };

  const again = () => {
    state('lost');
    source.close();
    connect();
  };

  connect();
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) again(); // out of the browser's cache, where streams are cut
  });
};
