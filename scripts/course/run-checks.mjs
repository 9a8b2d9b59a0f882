/** Runs the checks of a step one after the other.
 *  @param report  called after each with { title, skip?: reason, error?: Error } */
export async function runChecks(checks, implementation, report) {
  for (const { title, skip, run } of checks) {
    if (skip !== undefined) {
      report({ title, skip });
      continue;
    }
    try {
      await untilThrown(() => run(implementation));
      report({ title });
    } catch (error) {
      report({ title, error });
    }
  }
}

/** An error in a callback of the program's, such as a socket's event, reaches nobody who waits. It ends the check too. */
async function untilThrown(run) {
  let handle;
  const thrown = new Promise((_, reject) => {
    handle = (error) =>
      reject(new Error(`your program threw, and would have ended: ${error?.stack ?? error}`));
    process.on('uncaughtException', handle);
  });
  try {
    await Promise.race([run(), thrown]);
  } finally {
    process.off('uncaughtException', handle);
  }
}
