// BackgroundJobs in a NestJS provider: requests are answered at once, mails go out behind them, and a SIGTERM loses none.
// Nest calls hooks by their names, so the class needs nothing from it; mark it @Injectable() and call
// app.enableShutdownHooks(). Here a stand-in calls them, in Nest's order.
//
// Run it with: node -r ts-node/register/transpile-only demos/07-nestjs.ts
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { interval, map } from 'rxjs';
import type { Subscription } from 'rxjs';
import { BackgroundJobs } from '../src/index.js';

class MailService {
  private readonly jobs = new BackgroundJobs(
    async (mail: string) => {
      await sleep(50);
      console.log(`sent ${mail}`);
    },
    { workers: 2, buffer: 3, overflow: 'drop-incoming' },
  );
  private digests: Subscription | undefined;

  onModuleInit(): void {
    this.digests = this.jobs.listenTo(interval(86_400_000).pipe(map((day) => `digest ${day}`)));
    this.jobs.outcomes$.subscribe((outcome) => {
      if (outcome.status === 'failed') console.error(`not sent: ${outcome.job}`, outcome.error);
    });
  }

  /** For a controller; `false` is its 503. */
  accept(mail: string): boolean {
    return this.jobs.offer(mail);
  }

  /** Nest still serves requests, which may still send mails: only what comes by itself ends. */
  onModuleDestroy(): void {
    this.digests?.unsubscribe();
  }

  /** Nest has closed its connections, and waits for this promise. A container is killed 30 seconds after its SIGTERM. */
  async onApplicationShutdown(signal?: string): Promise<void> {
    const { running, queued } = this.jobs.stats;
    console.log(`${signal}: ${running} running, ${queued} queued`);
    const { level, stats } = await this.jobs.shutdown('drain', { deadline: 20_000 });
    console.log(`${level}: ${stats.completed} sent, ${stats.evicted + stats.aborted} lost`);
  }
}

async function standInForNest(provider: MailService): Promise<void> {
  provider.onModuleInit();
  const stopped = once(process, 'SIGTERM') as Promise<[signal: string]>;
  for (const name of ['Ada', 'Bob', 'Cleo', 'Dan', 'Eve', 'Flo']) {
    console.log(`POST /mails ${name}: ${provider.accept(name) ? 202 : 503}`);
  }
  process.kill(process.pid, 'SIGTERM');
  const [signal] = await stopped;
  provider.onModuleDestroy();
  await provider.onApplicationShutdown(signal);
}

void standInForNest(new MailService());
