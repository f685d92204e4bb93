import { learn } from './learn.js';

globalThis.learn = learn;
