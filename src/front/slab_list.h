// front/slab_list.h: a cache's slabs of one class that have free blocks.
//
// Responsibility  A doubly linked list through the slab records.
// Contract        A slab is in at most one list, and slab->listed says so. Under the owner's lock.
// Observable      first(), iteration by Slab::next.
// Composable      superslab/slab. Used by ThreadCache.
#pragma once

#include "superslab/slab.h"

namespace hakmem {

class SlabList {
 public:
  Slab* first() const { return first_; }
  uint32_t count() const { return count_; }
  bool is_only(const Slab* slab) const { return first_ == slab && last_ == slab; }

  void push_front(Slab* slab) {
    ++count_;
    slab->listed = true;
    slab->previous = nullptr;
    slab->next = first_;
    (first_ != nullptr ? first_->previous : last_) = slab;
    first_ = slab;
  }

  void push_back(Slab* slab) {
    ++count_;
    slab->listed = true;
    slab->next = nullptr;
    slab->previous = last_;
    (last_ != nullptr ? last_->next : first_) = slab;
    last_ = slab;
  }

  void remove(Slab* slab) {
    DCHECK(slab->listed);
    --count_;
    slab->listed = false;
    (slab->previous != nullptr ? slab->previous->next : first_) = slab->next;
    (slab->next != nullptr ? slab->next->previous : last_) = slab->previous;
    slab->next = slab->previous = nullptr;
  }

 private:
  Slab* first_ = nullptr;
  Slab* last_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace hakmem
