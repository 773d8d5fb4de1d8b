/*! Holdfast, MIT licence */

// src/index.ts
var version = "holdfast/1";
export {
  version
};
