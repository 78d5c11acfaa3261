import { expect } from 'chai';
import { killChildren, startDemo } from './support/child.js';

afterEach(killChildren);

describe('demo 14, OpenTelemetry', () => {
  let spans: readonly string[];
  let measured: readonly string[];

  before(async () => {
    const demo = startDemo('14-opentelemetry');
    expect(await demo.exit, demo.lines.join('\n')).to.deep.equal({ code: 0, signal: null });
    const blank = demo.lines.indexOf('');
    [spans, measured] = [demo.lines.slice(0, blank), demo.lines.slice(blank + 1)];
  });

  it('has a span for each attempt: under the request that waits for it, linked to one that does not', () => {
    expect(spans).to.eql([
      'SERVER POST /newsletter',
      'SERVER POST /invitations',
      'SERVER POST /spam',
      'SERVER POST /orders',
      '  CONSUMER process mails · attempt 1 · failed: 451 try again later',
      '    CLIENT SMTP',
      '  CONSUMER process mails · attempt 2',
      '    CLIENT SMTP',
      'CONSUMER process mails · attempt 1 · linked to POST /newsletter',
      '  CLIENT SMTP',
      'CONSUMER process mails · attempt 1 · linked to POST /invitations',
      '  CLIENT SMTP',
    ]);
  });

  it('has the metrics, by hooks', () => {
    expect(measured).to.eql([
      'job.pool.queue.size {job.pool.name=mails} 0',
      'job.pool.workers.count {job.pool.name=mails, state=running} 0',
      'job.pool.workers.count {job.pool.name=mails, state=lingering} 0',
      'job.pool.jobs {job.pool.name=mails, outcome=dropped, drop.reason=full} 1',
      'job.pool.jobs {job.pool.name=mails, outcome=completed} 3',
      'job.pool.wait_time {job.pool.name=mails} 3 times',
      'messaging.process.duration {job.pool.name=mails, error.type=Error} 1 times',
      'messaging.process.duration {job.pool.name=mails} 3 times',
    ]);
  });
});
