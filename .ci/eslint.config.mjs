import rxjsX from 'eslint-plugin-rxjs-x';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  // Demo 07 has a package.json, types and compiler options of its own: `npm test` there checks it.
  { ignores: ['dist/', 'coverage/', '**/node_modules/', 'demos/07-nestjs/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked, rxjsX.configs.recommended],
    languageOptions: { parserOptions: { project: '../tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      // The pool is built on it: takeUntil stands first, so that it ends the intake and not the work.
      'rxjs-x/no-unsafe-takeuntil': 'off',
      'rxjs-x/no-ignored-takewhile-value': 'off',
      // Identity is compared where a method is named without its object.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // What a user's code has thrown is passed on as it is.
      '@typescript-eslint/only-throw-error': 'off',
      'rxjs-x/throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MethodDefinition[kind="get"] > PrivateIdentifier',
          message:
            'V8 calls its runtime for each read of a private getter, which costs 20 ns: make it a private method.',
        },
      ],
    },
  },
  {
    files: ['spec/**/*.ts'],
    rules: {
      // Jobs are often async functions that have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      // chai's assertions are expressions.
      '@typescript-eslint/no-unused-expressions': 'off',
    },
  },
);
