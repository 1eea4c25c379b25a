using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>What the journal keeps of one migration.</summary>
/// <param name="Entry">The last decision.</param>
/// <param name="StartedAt">When the first one was recorded, UTC.</param>
/// <param name="Status">Source: the status last saved; null before the first.</param>
/// <param name="Address">Destination: address and port the offer named; null before it was made.</param>
/// <param name="TicketHash">Destination: SHA-256 of the ticket, so that the ticket itself is nowhere on this disk.</param>
/// <param name="Request">
/// Source: what was asked for, with the offer, so that the destination can be asked again after a restart; null before it
/// was recorded and once the migration has ended. Where <see cref="KeepsTicket"/> is false the offer has
/// <see cref="Hello.OutcomeTicketOf"/> its ticket instead.
/// </param>
internal sealed record JournaledMigration(
    MigrationJournalEntry Entry, DateTimeOffset StartedAt, MigrationStatus? Status, string? Address, byte[]? TicketHash,
    MigrationRequest? Request)
{
    /// <summary>What the destination is asked with how the migration ended; null where there is no request.</summary>
    public byte[]? OutcomeTicket => Request is not { } request ? null
        : KeepsTicket(request) ? Hello.OutcomeTicketOf(request.Offer.Ticket) : request.Offer.Ticket;

    /// <summary>
    /// Whether the ticket itself is kept: a post-copy is served again after a restart of the source only with it, and nothing else is.
    /// </summary>
    public static bool KeepsTicket(MigrationRequest request) => request.Options.Postcopy != PostcopyPolicy.Never;
}
