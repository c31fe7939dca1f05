/**
 * As `ps` shows what the launcher leaves above a confined command: what stays outside, and the first process of a pid
 * namespace. Both end when the command does.
 */
export const RELAY_NAME = "aurora-relay";
export const INIT_NAME = "aurora-init";
