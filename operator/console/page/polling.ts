import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, readApi } from "./api-call.ts";

const EVERY_MS = 3_000;

/** What was read last, and what went wrong since. */
export interface Polled<T> {
  readonly data: T | undefined;
  readonly failure: ApiFailure | undefined;
  /** Reads at once. */
  readonly refresh: () => void;
}

/** Reads a path again and again while the page can be seen. */
export function usePolled<T>(path: string, token: string): Polled<T> {
  const [state, setState] = useState<{ path: string; data?: T; failure?: ApiFailure }>({ path });
  const [round, setRound] = useState(0);
  const refresh = useCallback(() => setRound((value) => value + 1), []);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useEffect(() => {
    let isOver = false;
    const read = async (): Promise<void> => {
      clearTimeout(timer.current);
      try {
        const data = await readApi<T>(path, token);
        if (!isOver) setState({ path, data });
      } catch (error) {
        const failure = error instanceof ApiFailure ? error : new ApiFailure(0, String(error));
        // What was known stays on the screen, but to whom it is refused.
        const isRefused = failure.status === 401 || failure.status === 403 || failure.status === 404;
        if (!isOver)
          setState((known) =>
            isRefused || known.path !== path || known.data === undefined
              ? { path, failure }
              : { path, data: known.data, failure },
          );
      }
      if (isOver || document.hidden) return;
      // Another reading, since the page was seen again, may have ended before.
      clearTimeout(timer.current);
      timer.current = setTimeout(() => void read(), EVERY_MS);
    };
    const onVisibility = (): void => {
      clearTimeout(timer.current);
      if (!document.hidden) void read();
    };
    document.addEventListener("visibilitychange", onVisibility);
    void read();
    return () => {
      isOver = true;
      clearTimeout(timer.current);
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, [path, token, round]);

  const isCurrent = state.path === path;
  return { data: isCurrent ? state.data : undefined, failure: isCurrent ? state.failure : undefined, refresh };
}
