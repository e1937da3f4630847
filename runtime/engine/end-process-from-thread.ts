import { runInThisContext } from "node:vm";
import { setFlagsFromString } from "node:v8";

/**
 * Ends this process now, from another thread than the main one, which does not react any more. A thread cannot make the
 * process another one, as endProcessNow does, nor abort it.
 */
export function endProcessFromThread(): never {
  process.kill(process.pid, "SIGKILL");
  // The kernel does not let the first process of a container kill itself. From a trap of its own making it does not
  // protect it: V8's instruction for debuggers is one.
  setFlagsFromString("--allow-natives-syntax");
  runInThisContext("%SystemBreak()");
  throw new Error("the process could not be ended");
}
