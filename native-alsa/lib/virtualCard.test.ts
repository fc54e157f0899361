import { isSameVirtualCard } from './virtualCard.js';

test.each([
  ['kvm_host', 'kvm_host'],
  ['kvm_host', 'kvm_host_plug'],
  ['kvm_gadget', 'kvm_card:gadget'],
  ['kvm_card:x', 'kvm_plug:x'],
  ['kvm_card:x,44100', 'kvm_plug:RATE=44100,CARD=x'],
  ['kvm_card', 'kvm_plug:card0'],
  ['kvm_card:', 'kvm_card:CHANNELS=1'],
])('%s and %s are the same virtual card', (one, other) => {
  expect(isSameVirtualCard(one, other)).toBe(true);
});

test.each([
  ['kvm_host', 'kvm_gadget'],
  ['kvm_card:x', 'kvm_card:y'],
  ['kvm_card:host', 'kvm_gadget_plug'],
  ['hw:0', 'hw:0'],
  ['kvm_host', 'hw:0'],
])('%s and %s are not', (one, other) => {
  expect(isSameVirtualCard(one, other)).toBe(false);
});
