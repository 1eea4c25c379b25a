using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts;

/// <summary>Why an operation on a VM is refused, in sentences that name the state and what it allows. Pure.</summary>
internal static class VmRefusals
{
    /// <summary>Refuses what changes a VM while a migration has it.</summary>
    /// <param name="slot">The VM.</param>
    /// <param name="operation">The operation as a participle, such as <c>started</c>.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/>, naming the migration.</exception>
    public static void RequireNoMigration(VmSlot slot, string operation)
    {
        VmSlotState known = slot.Present;
        if (known.MigrationId is not { } migrationId) return;
        string doing = known.Ownership == VmOwnership.Incoming
            ? $"is Incoming: migration {migrationId} is bringing it from host '{known.PeerHostName}'"
            : known.InPostcopy ? $"misses part of its memory, which migration {migrationId} is bringing from host '{known.PeerHostName}'"
            : $"is being moved to host '{known.PeerHostName}' by migration {migrationId}";
        throw new MigrationException(MigrationErrorReason.InvalidState,
            $"'{slot.Name}' {doing}; until that ends it cannot be {operation}.", "Wait for the migration, or stop it first.");
    }

    /// <summary>Refuses what would let a VM run that may run elsewhere.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.Undecided"/>.</exception>
    public static void RequireOwned(VmSlot slot, string operation)
    {
        if (slot.Present.Ownership == VmOwnership.Owned) return;
        throw new MigrationException(MigrationErrorReason.Undecided,
            $"'{slot.Name}' cannot be {operation} on this host: {slot.Present.Failure}",
            "Resume the migration: it asks the other host and takes the VM back where that does not own it, or with force where it gives no answer.");
    }

    /// <summary>The error for an operation that the state does not allow.</summary>
    /// <param name="slot">The VM.</param>
    /// <param name="state">The state it is in.</param>
    /// <param name="allowed">What the operation needs, such as <c>only a Running VM can be paused</c>.</param>
    /// <param name="recommendedAction">What to do instead; null where the message says it.</param>
    public static MigrationException InvalidState(VmSlot slot, VmState state, string allowed, string? recommendedAction = null) =>
        new(MigrationErrorReason.InvalidState, $"'{slot.Name}' is {state}: {allowed}.", recommendedAction);
}
