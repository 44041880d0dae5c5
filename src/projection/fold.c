#include "postgres.h"
#include "base/compat.h"
#include "projection/fold.h"
void cqrs_fold_defer(CqrsFold *fold, CqrsEventRow *event, CqrsFoldEvent **folded) {}
Oid	cqrs_fold_table_oid(CqrsFoldTable *table) { return InvalidOid; }
bool cqrs_fold_table_pending(CqrsFoldTable *table) { return false; }
void cqrs_fold_table_flush(CqrsFoldTable *table) {}
void cqrs_fold_table_forget(CqrsFoldTable *table) {}
Size cqrs_fold_table_memory(CqrsFoldTable *table) { return 0; }
void cqrs_fold_table_destroy(CqrsFoldTable *table) {}
