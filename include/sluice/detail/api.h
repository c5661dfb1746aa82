// Attributes of the public names: what a shared library shows, what is inlined, what is cold.
#ifndef SLUICE_DETAIL_API_H_
#define SLUICE_DETAIL_API_H_

#if defined(__GNUC__)
#define SLUICE_API __attribute__((visibility("default")))
#define SLUICE_COLD __attribute__((noinline, cold))
#define SLUICE_INLINE __attribute__((always_inline)) inline
#else
#define SLUICE_API
#define SLUICE_COLD
#define SLUICE_INLINE inline
#endif

#endif  // SLUICE_DETAIL_API_H_
