'use strict';
const { reporters } = require('mocha');

/** mocha's own report, and a last line that machines count: `N passed, N failed, N skipped`. */
module.exports = class CountingReporter extends reporters.Dot {
  epilogue() {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
  }
};
