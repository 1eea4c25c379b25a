using System.Text.Json;
using CsCheck;
using Google.Protobuf;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;
using Xunit;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.Engine.Tests.Hosts.Remote;

public sealed class MessageRoundTripTests
{
    private static readonly Dictionary<Type, Func<object, object>> roundTrips = new()
    {
        [typeof(HostDescription)] = record => Through(((HostDescription)record).ToMessage(), HostMessages.ToRecord),
        [typeof(VmSpecification)] = record => Through(((VmSpecification)record).ToMessage(), SpecificationMessages.ToRecord),
        [typeof(VmRegistration)] = record => Through(((VmRegistration)record).ToMessage(), VmMessages.ToRecord),
        [typeof(VmDescription)] = record => Through(((VmDescription)record).ToMessage(), VmMessages.ToRecord),
        [typeof(PoisonedPage)] = record => Through(((PoisonedPage)record).ToMessage(), MemoryMessages.ToRecord),
        [typeof(LargePageCoverage)] = record => Through(((LargePageCoverage)record).ToMessage(), MemoryMessages.ToRecord),
        [typeof(IncomingRequest)] = record => Through(((IncomingRequest)record).ToMessage(), IncomingMessages.ToRecord),
        [typeof(IncomingOffer)] = record => Through(((IncomingOffer)record).ToMessage(), IncomingMessages.ToRecord),
        [typeof(PreflightFinding)] = record => Through(((PreflightFinding)record).ToMessage(), IncomingMessages.ToRecord),
        [typeof(MigrationRequest)] = record => Through(((MigrationRequest)record).ToMessage(), IncomingMessages.ToRecord),
        [typeof(MigrationStatus)] = record => Through(((MigrationStatus)record).ToMessage(), MigrationMessages.ToRecord),
        [typeof(VmDisk)] = record => Through(((VmDisk)record).ToMessage(), DiskMessages.ToRecord),
        [typeof(DiskDescription)] = record => Through(((DiskDescription)record).ToMessage(), DiskMessages.ToRecord),
        [typeof(DiskFragment)] = record => Through(((DiskFragment)record).ToMessage(), DiskMessages.ToRecord),
        [typeof(IncomingDiskRequest)] = record => Through(((IncomingDiskRequest)record).ToMessage(), DiskTransferMessages.ToRecord),
        [typeof(IncomingDiskOffer)] = record => Through(((IncomingDiskOffer)record).ToMessage(), DiskTransferMessages.ToRecord),
        [typeof(DiskTransferRequest)] = record => Through(((DiskTransferRequest)record).ToMessage(), DiskTransferMessages.ToRecord),
        [typeof(DiskTransferStatus)] = record => Through(((DiskTransferStatus)record).ToMessage(), DiskTransferMessages.ToRecord),
        [typeof(MobilityPathRequest)] = record => Through(((MobilityPathRequest)record).ToMessage(), PathMessages.ToRecord),
        [typeof(MobilityPathEnd)] = record => Through(((MobilityPathEnd)record).ToMessage(), PathMessages.ToRecord),
    };

    public static TheoryData<Type> RecordTypes => [.. roundTrips.Keys];

    public static TheoryData<Type, Type> Enumerations => new()
    {
        { typeof(Contract.DiskCompression), typeof(DiskCompression) },
        { typeof(Contract.DiskFormat), typeof(DiskFormat) },
        { typeof(Contract.DiskResumptionKind), typeof(DiskResumptionKind) },
        { typeof(Contract.DiskTransferState), typeof(DiskTransferState) },
        { typeof(Contract.FailureReason), typeof(MigrationErrorReason) },
        { typeof(Contract.GuestProgramKind), typeof(Engine.Hypervisors.Embedded.GuestProgramKind) },
        { typeof(Contract.HypervisorKind), typeof(HypervisorKind) },
        { typeof(Contract.LinkSecurity), typeof(LinkSecurity) },
        { typeof(Contract.MemoryBacking), typeof(MemoryBacking) },
        { typeof(Contract.MigrationOutcome), typeof(MigrationOutcome) },
        { typeof(Contract.MigrationState), typeof(MigrationState) },
        { typeof(Contract.MobilityPathKind), typeof(MobilityPathKind) },
        { typeof(Contract.MobilityPathRole), typeof(MobilityPathRole) },
        { typeof(Contract.MobilityPathState), typeof(MobilityPathState) },
        { typeof(Contract.PoisonSource), typeof(PoisonSource) },
        { typeof(Contract.PostcopyPolicy), typeof(PostcopyPolicy) },
        { typeof(Contract.PreflightSeverity), typeof(PreflightSeverity) },
        { typeof(Contract.QemuAccelerator), typeof(Engine.Hypervisors.Qemu.QemuAccelerator) },
        { typeof(Contract.QemuNetwork), typeof(Engine.Hypervisors.Qemu.QemuNetwork) },
        { typeof(Contract.StateContents), typeof(StateContents) },
        { typeof(Contract.VmDiskPhase), typeof(VmDiskPhase) },
        { typeof(Contract.VmState), typeof(VmState) },
        { typeof(Contract.WriteTraceMechanism), typeof(WriteTraceMechanism) },
    };

    [Theory]
    [MemberData(nameof(RecordTypes))]
    public void Every_property_of_a_record_comes_through(Type type) => Gen.Int.Sample(
        seed =>
        {
            object record = new RecordFiller(new Random(seed)).Make(type);
            Assert.Equal(JsonSerializer.Serialize(record, type), JsonSerializer.Serialize(roundTrips[type](record), type));
        },
        iter: 200);

    [Fact]
    public void Every_record_of_the_hosts_contract_is_tried()
    {
        IEnumerable<Type> used = typeof(IMigrationHost).GetMethods().Concat(typeof(IHostDisks).GetMethods())
            .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
            .SelectMany(Unwrap).Where(RecordFiller.IsRecord);
        Assert.Equal(used.Distinct().OrderBy(type => type.Name), roundTrips.Keys.OrderBy(type => type.Name));
    }

    [Theory]
    [MemberData(nameof(Enumerations))]
    public void Enumerations_have_the_engines_numbers_and_names(Type message, Type record)
    {
        static Dictionary<int, string> ValuesOf(Type type) =>
            Enum.GetValues(type).Cast<object>().Where(value => (int)value != 0).ToDictionary(
                value => (int)value, value => value.ToString()!);
        Assert.Equal(ValuesOf(record), ValuesOf(message));
    }

    [Fact]
    public void Every_enumeration_of_the_contract_is_compared()
    {
        IEnumerable<string> contract = typeof(Contract.Failure).Assembly.GetTypes()
            .Where(type => type.IsEnum && !type.IsNested && type.Namespace == typeof(Contract.Failure).Namespace).Select(type => type.Name);
        Assert.Equal(contract.Order(), Enumerations.Select(row => row.Data.Item1.Name).Order());
    }

    [Fact]
    public void What_may_be_absent_has_the_engines_default()
    {
        Assert.Equal(new MigrationOptions(), new Contract.MigrationOptions().ToRecord());
        Assert.Equal(new DiskTransferOptions(), new Contract.DiskTransferOptions().ToRecord());
        Assert.Equal(JsonSerializer.Serialize(new Engine.Hypervisors.Qemu.QemuGuest()),
            JsonSerializer.Serialize(new Contract.QemuGuest().ToRecord()));
        Assert.Equal(new Engine.Hypervisors.Embedded.EmbeddedGuest { Program = Engine.Hypervisors.Embedded.GuestProgramKind.Idle },
            new Contract.EmbeddedGuest { Program = Contract.GuestProgramKind.Idle }.ToRecord());
        var specification = new VmSpecification
        {
            Name = "vm", MemoryBytes = 4 << 20,
            Embedded = new() { Program = Engine.Hypervisors.Embedded.GuestProgramKind.Idle },
        };
        Assert.Equal(specification, new Contract.VmSpecification
        {
            Id = specification.Id.ToString(),
            Name = "vm",
            MemoryBytes = 4 << 20,
            Embedded = new() { Program = Contract.GuestProgramKind.Idle },
        }.ToRecord());
    }

    private static object Through<TMessage, TRecord>(TMessage message, Func<TMessage, TRecord> toRecord)
        where TMessage : IMessage<TMessage>, new() where TRecord : notnull
    {
        var received = new TMessage();
        received.MergeFrom(message.ToByteArray());
        return toRecord(received);
    }

    private static IEnumerable<Type> Unwrap(Type type) =>
        type.IsGenericType ? type.GetGenericArguments().SelectMany(Unwrap) : [type];
}
