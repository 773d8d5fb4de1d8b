/**
 * Whether a session can be kept beyond its page. The script bundle has nothing to keep it in, and
 * is built without (build.mjs).
 */
export const stored = true
