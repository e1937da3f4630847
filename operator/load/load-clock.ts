/**
 * The clock of load samples: ms since 1970 as it was when the process started, going on evenly from there. A wall clock
 * that is set makes no sample old, and none young.
 */
export function loadNowMs(): number {
  return performance.timeOrigin + performance.now();
}
