// api/hot.h: where the code of a hit lies.
//
// Responsibility  Begin a cache line with each function that has a fast path.
// Contract        HAK_HOT stands before malloc, free and the operators that do the same. Where the linker
//                 happened to put them made 9 % of tiny_hot (docs/decisions/0002).
// Observable      The addresses; tests/hot_path.py.
// Composable      Nothing. Used by api.
#pragma once

#define HAK_HOT [[gnu::aligned(64)]]
