// Outgoing webhooks for Vendure, which has none of its own: each change of a placed order is posted, signed, to one
// address. Delivery is a hint and no more: it is tried a few times and forgotten with the process, so whoever listens
// also polls. The body carries ids and states, no personal data; the listener reads the order itself.
'use strict';
require('reflect-metadata');
const crypto = require('node:crypto');
const {
  ConfigService, EventBus, Order, OrderPlacedEvent, OrderStateTransitionEvent, PluginCommonModule,
  RefundStateTransitionEvent, TransactionalConnection, VendurePlugin,
} = require('@vendure/core');

const PAUSES_MS = [0, 500, 2000];
const TIMEOUT_MS = 5000;

class WebhookPlugin {
  static options = { url: '', secret: '' };

  static init(options) {
    WebhookPlugin.options = options;
    return WebhookPlugin;
  }

  constructor(bus, connection, config) {
    this.bus = bus;
    this.connection = connection;
    this.config = config;
  }

  // The bus hands an event over once its transaction is committed, so a listener that asks back sees the change.
  onApplicationBootstrap() {
    this.bus.ofType(OrderPlacedEvent).subscribe(event => this.send('order.placed', event.order, event.toState));
    this.bus.ofType(OrderStateTransitionEvent).subscribe(event => {
      if (event.toState === 'Cancelled') this.send('order.cancelled', event.order, event.toState);
      else if (!event.order.active && event.fromState !== 'ArrangingPayment') {
        this.send('order.updated', event.order, event.toState);
      }
    });
    this.bus.ofType(RefundStateTransitionEvent).subscribe(async event => {
      if (event.toState !== 'Settled') return;
      // A refund leaves the order's own row alone; touching it lets a poll by `updatedAt` see the refund as well.
      await this.connection.getRepository(event.ctx, Order).update(event.order.id, { updatedAt: new Date() });
      this.send('order.refunded', event.order, event.order.state);
    });
  }

  async send(type, order, state) {
    if (!WebhookPlugin.options.url) return;
    const id = this.config.entityOptions.entityIdStrategy.encodeId(order.id); // as the Admin API spells it
    const body = JSON.stringify({
      id: crypto.randomUUID(), type, created: new Date().toISOString(),
      order: { id: String(id), code: order.code, state },
    });
    for (const pause of PAUSES_MS) {
      await new Promise(resolve => setTimeout(resolve, pause));
      try {
        const answer = await fetch(WebhookPlugin.options.url, {
          method: 'POST', body, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS),
          headers: { 'content-type': 'application/json', 'x-vendure-event': type, 'x-vendure-signature': sign(body) },
        });
        if (answer.ok) return;
        console.error(`webhook ${type} of order ${order.code}: answered ${answer.status}`);
      } catch (error) {
        console.error(`webhook ${type} of order ${order.code}: ${error.message}`);
      }
    }
  }
}

function sign(body) {
  const sentAt = Math.floor(Date.now() / 1000);
  const digest = crypto.createHmac('sha256', WebhookPlugin.options.secret).update(`${sentAt}.${body}`).digest('hex');
  return `t=${sentAt},v1=${digest}`;
}

// What a TypeScript build would have written for the decorator and the constructor's types.
VendurePlugin({ imports: [PluginCommonModule], compatibility: '^3.0.0' })(WebhookPlugin);
Reflect.defineMetadata('design:paramtypes', [EventBus, TransactionalConnection, ConfigService], WebhookPlugin);

module.exports = { WebhookPlugin };
