import { expect } from 'chai';
import { VirtualTimeScheduler } from 'rxjs';
import { Gate } from '../../src/internal/core/gate.js';

describe('Gate', () => {
  const opened = (open: (gate: Gate, reason: object, scheduler: VirtualTimeScheduler) => void): string[] => {
    const log: string[] = [];
    const scheduler = new VirtualTimeScheduler();
    const host = {
      isAwaited: true,
      onOpen: () => void log.push('opens'),
      wakeUp: (call: () => void) => {
        log.push('by itself:');
        call();
      },
    };
    const gate = new Gate(host, () => scheduler.now(), scheduler);
    const reason = {};
    gate.shut(reason, 10);
    open(gate, reason, scheduler);
    return log;
  };

  it('opens by itself at its time, and in the call that opens it', () => {
    expect(opened((_gate, _reason, scheduler) => scheduler.flush())).to.eql(['by itself:', 'opens']);
    expect(opened((gate, reason) => gate.open(reason))).to.eql(['opens']);
  });
});
