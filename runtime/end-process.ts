/**
 * Ends this process now with an exit code, whatever its threads do. process.exit() waits for them: a run or a load of
 * the inference library, or the system's answer to a DNS query, may take long or never end. Hence the process becomes
 * another one, which ends at once; the system ends the threads.
 */
export function endProcessNow(exitCode: number): never {
  try {
    process.execve?.(process.execPath, [process.execPath, "-e", `process.exitCode = ${exitCode}`], {});
  } catch {
    // As below.
  }
  // Where a process cannot become another one. The kernel does not let the first process of a container kill itself,
  // hence the second try, which crashes.
  process.kill(process.pid, "SIGKILL");
  process.abort();
}
