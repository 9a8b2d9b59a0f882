import { describe, expect, it } from 'vitest';
import { ReloadRequests } from '../../src/commands/reload-requests.js';

describe('a request to reload', () => {
  it('that comes while the relay starts is served when it has started, and only once', () => {
    const requests = new ReloadRequests();
    let served = 0;
    requests.request();
    requests.request();
    requests.serveWith(() => served++);
    expect(served).toBe(1);
  });

  it('is served at once afterwards', () => {
    const requests = new ReloadRequests();
    let served = 0;
    requests.serveWith(() => served++);
    expect(served).toBe(0);
    requests.request();
    requests.request();
    expect(served).toBe(2);
  });
});
