// Requests from the benchmark to its load processes, over the channel that Node gives to a child.

/** In the child. @param handlers  name -> function of the parameters, whose result is the answer */
export function serveRequests(handlers) {
  process.on('message', async ({ id, name, parameters }) => {
    try {
      process.send({ id, result: await handlers[name](parameters) });
    } catch (error) {
      process.send({ id, error: error.message });
    }
  });
  // The benchmark has ended, perhaps killed.
  process.on('disconnect', () => process.exit());
}

/** In the parent. @returns sends a request and resolves with its answer */
export function requestsTo(child) {
  const waiting = new Map();
  let lastId = 0;
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the load process has ended'));
    waiting.clear();
  });
  return (name, parameters = {}) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      waiting.set(id, { resolve, reject });
      child.send({ id, name, parameters });
    });
}
