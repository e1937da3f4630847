/**
 * Ends this process now, whatever it does. process.exit() waits for its threads, and one that is inside a run of the
 * inference library may never come back. The kernel does not let the first process of a container kill itself, hence
 * the second try, which crashes.
 */
export function endProcessNow(): never {
  process.kill(process.pid, "SIGKILL");
  process.abort();
}
