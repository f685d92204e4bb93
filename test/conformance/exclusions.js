/**
 * What is left out of TensorFlow.js's suite: the part of a test's full name that says which, and why. An entry that
 * matches no test fails the run.
 *
 * @type {readonly { readonly test: string, readonly reason: string }[]}
 */
export const exclusions = [
  {
    test: 'avgPool onnxruntime {} gradient x=[3,3,1] f=[3,3] s=1 p=explicit',
    reason:
      'the expected numbers are not the slope of the forward pass that the same suite demands: that divides by the ' +
      'elements of a window which lie in the picture, they by the whole window; the slope itself is tested in ' +
      'test/backends/families.test.ts',
  },
];
