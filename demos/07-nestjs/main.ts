// BackgroundJobs in a NestJS service: requests are answered at once, mails go out behind them, and a SIGTERM loses none.
// The program is its own client: it posts six mails, of which two are being sent and three wait, and then ends itself.
//
// Run it with: npm install --prefix demos/07-nestjs && npm start --prefix demos/07-nestjs
import 'reflect-metadata';
import { Injectable, Module } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MailsController, MailServer, MailService } from './mails.js';

/** Stands in for a mail server that is down, and comes back while this process ends. */
@Injectable()
class DownUntilShutdown extends MailServer implements OnApplicationShutdown {
  private comeBack!: () => void;
  private readonly isBack = new Promise<void>((resolve) => (this.comeBack = resolve));

  async send(mail: string): Promise<void> {
    await this.isBack;
    console.log(`sent ${mail}`);
  }

  onApplicationShutdown(): void {
    this.comeBack();
  }
}

@Module({
  controllers: [MailsController],
  providers: [MailService, { provide: MailServer, useClass: DownUntilShutdown }],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['warn', 'error'] });
  app.enableShutdownHooks(['SIGTERM', 'SIGINT']); // Without it Nest tells nobody of a signal, and every mail is lost.
  await app.listen(0, '127.0.0.1');

  for (const to of ['Ada', 'Bob', 'Cleo', 'Dan', 'Eve', 'Flo']) {
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ to });
    const { status } = await fetch(`${await app.getUrl()}/mails`, { method: 'POST', headers, body });
    console.log(`POST /mails ${to}: ${status}`);
  }
  process.kill(process.pid, 'SIGTERM');
}

void main();
