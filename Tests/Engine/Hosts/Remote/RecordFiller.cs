using System.Reflection;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Engine.Tests.Hosts.Remote;

/// <summary>
/// Makes records with a random value in every property, found by reflection: a property that is added tomorrow is filled, too.
/// </summary>
internal sealed class RecordFiller(Random random)
{
    private static readonly NullabilityInfoContext nullability = new();

    public static bool IsRecord(Type type) => type.GetMethod("<Clone>$") is not null;

    public object Make(Type type)
    {
        if (type == typeof(VmSpecification)) return MakeSpecification();
        ConstructorInfo constructor = type.GetConstructors().MaxBy(candidate => candidate.GetParameters().Length)!;
        object record = constructor.Invoke([.. constructor.GetParameters().Select(
            parameter => MakeValue(parameter.ParameterType, MayBeNull(parameter)))]);
        FillProperties(record, property => constructor.GetParameters().All(parameter => parameter.Name != property.Name));
        return record;
    }

    private static bool MayBeNull(ParameterInfo parameter)
    {
        lock (nullability) return nullability.Create(parameter).WriteState == NullabilityState.Nullable;
    }

    private static bool MayBeNull(PropertyInfo property)
    {
        lock (nullability) return nullability.Create(property).WriteState == NullabilityState.Nullable;
    }

    private void FillProperties(object record, Func<PropertyInfo, bool> wanted)
    {
        foreach (PropertyInfo property in record.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.CanWrite && wanted(property)) property.SetValue(record, MakeValue(property.PropertyType, MayBeNull(property)));
        }
    }

    private VmSpecification MakeSpecification()
    {
        bool embedded = random.Next(2) == 0;
        var specification = new VmSpecification { Name = "", MemoryBytes = 0 };
        FillProperties(specification, property => property.Name is not (nameof(VmSpecification.Embedded) or nameof(VmSpecification.Qemu)));
        return specification with
        {
            Embedded = embedded ? (EmbeddedGuest)Make(typeof(EmbeddedGuest)) : null,
            Qemu = embedded ? null : (QemuGuest)Make(typeof(QemuGuest)),
        };
    }

    private object? MakeValue(Type type, bool mayBeNull)
    {
        if (mayBeNull && random.Next(3) == 0) return null;
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsEnum) return Enum.GetValues(type).GetValue(random.Next(1, Enum.GetValues(type).Length));
        if (type == typeof(string)) return $"{random.NextInt64():x} ä€😀";
        if (type == typeof(bool)) return random.Next(2) == 0;
        if (type == typeof(int)) return random.Next(int.MinValue, int.MaxValue);
        if (type == typeof(long)) return random.NextInt64(long.MinValue, long.MaxValue);
        if (type == typeof(ulong)) return (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        if (type == typeof(double)) return random.NextDouble() * random.Next(1, 1 << 30);
        if (type == typeof(TimeSpan)) return TimeSpan.FromTicks(random.NextInt64(-TimeSpan.TicksPerDay, 1000 * TimeSpan.TicksPerDay));
        if (type == typeof(DateTimeOffset)) return new DateTimeOffset(random.NextInt64(DateTime.MaxValue.Ticks), TimeSpan.Zero);
        if (type == typeof(Guid)) return MakeGuid();
        if (type == typeof(byte[])) return MakeBytes(random.Next(1, 40));
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            return MakeList(type.GetGenericArguments()[0]);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>)) return MakeDictionary(type);
        if (IsRecord(type)) return Make(type);
        throw new NotSupportedException($"Teach the filler to make a {type}.");
    }

    private Guid MakeGuid() => new(MakeBytes(16));

    private byte[] MakeBytes(int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private Array MakeList(Type element)
    {
        var list = Array.CreateInstance(element, random.Next(4));
        for (int i = 0; i < list.Length; i++) list.SetValue(MakeValue(element, mayBeNull: false), i);
        return list;
    }

    private System.Collections.IDictionary MakeDictionary(Type type)
    {
        // The values of all dictionaries of the contract may be null.
        Type[] arguments = type.GetGenericArguments();
        var dictionary = (System.Collections.IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(arguments))!;
        for (int i = random.Next(4); i > 0; i--)
        {
            dictionary[MakeValue(arguments[0], mayBeNull: false)!] = MakeValue(arguments[1], mayBeNull: true);
        }

        return dictionary;
    }
}
