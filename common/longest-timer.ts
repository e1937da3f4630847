/** The longest time, in ms, that a timer can have; one of a longer time would go off at once. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;
