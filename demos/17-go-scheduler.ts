// Go's scheduler of background jobs, line by line: behind each line, or above it, is the Go line that it stands for.
// Each SIGTERM is a job. It sends itself five of them, finishes them on three workers, and exits.
//
// Run it with: node -r ts-node/register/transpile-only demos/17-go-scheduler.ts
import { firstValueFrom, from, timer } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackgroundJobs, fromSignals, surviveSignals } from '../src/index.js';
import type { JobContext, SignalName } from '../src/index.js';

// go func() { for { select { case _, open := <-s.msgC: …
function work(_job: SignalName, { worker }: JobContext): Observable<unknown> {
  console.log(`${worker}<- Processing`); // fmt.Printf("%d<- Processing\n", i+1)
  return timer(100);
}

// type Scheduler struct {
class Scheduler {
  readonly workers: number; // workers int
  readonly jobs: BackgroundJobs<SignalName, unknown>; // msgC chan struct{}; waitGroup sync.WaitGroup

  // func NewScheduler(workers, buffer int) *Scheduler {
  constructor(workers: number, buffer: number) {
    this.workers = workers;
    // make(chan struct{}, buffer); s.waitGroup.Add(s.workers); for i := 0; i < s.workers; i++ { go func() { … }() }
    // signal.Notify waits for nobody: while the buffer is full signals are lost, as under 'drop-incoming'.
    this.jobs = new BackgroundJobs(work, { workers, buffer, overflow: 'drop-incoming' });
  }

  // func (s *Scheduler) ListenForWork() {
  listenForWork(): void {
    // signal.Notify(s.signalC, syscall.SIGTERM); go func() { for { <-s.signalC; s.msgC <- struct{}{} } }()
    this.jobs.listenTo(fromSignals('SIGTERM'));
    from(this.jobs.ended).pipe(surviveSignals('SIGTERM')).subscribe(); // in Go SIGTERM is survived until signal.Stop
  }

  // func (s *Scheduler) Exit() {
  async exit(): Promise<void> {
    await this.jobs.shutdown(); // close(s.msgC); s.waitGroup.Wait()
    for (let i = 0; i < this.workers; i++) console.log(`${i + 1} closing`); // fmt.Printf("%d closing\n", i+1)
  }
}

async function main(): Promise<void> {
  const scheduler = new Scheduler(3, 10); // scheduler := NewScheduler(3, 10)
  scheduler.listenForWork(); // scheduler.ListenForWork()
  for (let i = 0; i < 5; i++) {
    // Signals that are pending are merged: so the next one is sent when the last has arrived.
    const arrival = firstValueFrom(fromSignals('SIGTERM'));
    process.kill(process.pid, 'SIGTERM'); // syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
    await arrival;
  }
  await scheduler.exit(); // scheduler.Exit()
}
void main();
