export { fromBullMQ } from './fromBullMQ.js';
export type { BullMQConfig } from './config.js';
