import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './ops.js';

// TensorFlow.js has none of these. Each is taken at x + 6, where its asymptotic series (Abramowitz and Stegun 1964,
// 6.1.41, 6.3.18, 6.4.12) is exact to float32, and carried back to x > 0 by its recurrence.

const shift = 6;

/** The logarithm of the gamma function, for x > 0; its gradient is `digamma`. */
export function lgamma<T extends tf.Tensor>(x: T): T {
  return differentiable([x], (save) => {
    save([x]);
    return {
      value: computeLgamma(x) as T,
      gradient: (dy, [saved]) => [tf.mul(dy, computeDigamma(saved!))],
    };
  });
}

/** The derivative of `lgamma`, for x > 0; its own gradient is the trigamma function. */
export function digamma<T extends tf.Tensor>(x: T): T {
  return differentiable([x], (save) => {
    save([x]);
    return {
      value: computeDigamma(x) as T,
      gradient: (dy, [saved]) => [tf.mul(dy, computeTrigamma(saved!))],
    };
  });
}

// (y - 1/2) ln y - y + ln(2 pi) / 2 + 1/(12 y) - 1/(360 y^3) + 1/(1260 y^5), less ln x + ... + ln(x + 5)
function computeLgamma(x: tf.Tensor): tf.Tensor {
  const y = tf.add(x, shift);
  const head = tf.sub(tf.mul(tf.sub(y, 0.5), tf.log(y)), y);
  const tail = series(tf.reciprocal(y), [1 / 12, -1 / 360, 1 / 1260], 1);
  const far = tf.add(tf.add(head, 0.5 * Math.log(2 * Math.PI)), tail);
  return tf.sub(far, sumOfSteps(x, tf.log));
}

// ln y - 1/(2 y) - 1/(12 y^2) + 1/(120 y^4) - 1/(252 y^6), less 1/x + ... + 1/(x + 5)
function computeDigamma(x: tf.Tensor): tf.Tensor {
  const y = tf.add(x, shift);
  const inverse = tf.reciprocal(y);
  const tail = series(inverse, [-1 / 12, 1 / 120, -1 / 252], 2);
  const far = tf.add(tf.sub(tf.log(y), tf.mul(inverse, 0.5)), tail);
  return tf.sub(far, sumOfSteps(x, tf.reciprocal));
}

// 1/y + 1/(2 y^2) + 1/(6 y^3) - 1/(30 y^5) + 1/(42 y^7), plus 1/x^2 + ... + 1/(x + 5)^2
function computeTrigamma(x: tf.Tensor): tf.Tensor {
  const inverse = tf.reciprocal(tf.add(x, shift));
  const tail = series(inverse, [1 / 6, -1 / 30, 1 / 42], 3);
  const far = tf.add(tf.add(inverse, tf.mul(tf.square(inverse), 0.5)), tail);
  return tf.add(
    far,
    sumOfSteps(x, (step) => tf.square(tf.reciprocal(step))),
  );
}

/** The sum of coefficients[k] * x^(first + 2 k). */
function series(x: tf.Tensor, coefficients: readonly number[], first: 1 | 2 | 3): tf.Tensor {
  const squared = tf.square(x);
  const sum = coefficients.reduceRight<tf.Tensor>(
    (rest, coefficient) => tf.add(tf.mul(rest, squared), coefficient),
    tf.scalar(0),
  );
  const power = first === 1 ? x : first === 2 ? squared : tf.mul(x, squared);
  return tf.mul(sum, power);
}

/** f(x) + f(x + 1) + ... + f(x + 5). */
function sumOfSteps(x: tf.Tensor, f: (step: tf.Tensor) => tf.Tensor): tf.Tensor {
  const steps = Array.from({ length: shift }, (_, k) => f(tf.add(x, k)));
  return tf.addN(steps);
}
