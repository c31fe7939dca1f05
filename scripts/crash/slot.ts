/** A place in which one experiment at a time takes place. */
export type Slot = { directory: string; home: string };
