'use strict';
const { relative } = require('node:path');
const { reporters, Runner } = require('mocha');

const { EVENT_RUN_BEGIN, EVENT_TEST_BEGIN, EVENT_TEST_FAIL, EVENT_TEST_END, EVENT_RUN_END } = Runner.constants;

const ADVICE = `: they take some minutes, most of it for processes, demos and generated programs.
\`npm run test:quick\` leaves these out, and takes a minute.`;
const hasSlow = (files) => files.size > 1 && [...files].some((file) => file.endsWith('process.spec.ts'));

/**
 * Says what will run, then a line for each file when its tests have ended (how far the run is, how many tests, how long), a line
 * for each failure at once, and mocha's own account of them. The last line is for machines: `N passed, N failed, N skipped`.
 */
module.exports = class ProgressReporter extends reporters.Base {
  constructor(runner, options) {
    super(runner, options);
    let file;
    let tests = 0;
    let ended = 0;
    let begin = 0;
    const closeFile = () => {
      if (file === undefined) return;
      const percent = String(Math.floor((100 * ended) / runner.total)).padStart(3);
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      console.log(`${percent} %  ${relative(process.cwd(), file)}: ${tests} tests, ${seconds} s`);
    };
    runner.on(EVENT_RUN_BEGIN, () => {
      const files = new Set();
      runner.suite.eachTest((test) => files.add(test.file));
      console.log(`\n${runner.total} tests in ${files.size} files${hasSlow(files) ? ADVICE : ''}\n`);
    });
    runner.on(EVENT_TEST_BEGIN, (test) => {
      if (test.file === file) return;
      closeFile();
      file = test.file;
      tests = 0;
      begin = performance.now();
    });
    runner.on(EVENT_TEST_FAIL, (test) => console.log(`       failed: ${test.fullTitle()}`));
    runner.on(EVENT_TEST_END, () => {
      tests++;
      ended++;
    });
    runner.once(EVENT_RUN_END, () => {
      closeFile();
      this.epilogue();
      const { passes, failures, pending } = this.stats;
      console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
    });
  }
};
